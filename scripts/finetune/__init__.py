"""From data to a number, a report and a served model."""
