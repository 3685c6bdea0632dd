"""A made-up task that only global question tokens can solve at a distance."""
