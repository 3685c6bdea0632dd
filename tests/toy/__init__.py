"""A task of a user's own: no line of the package knows it."""
