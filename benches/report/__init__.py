"""Makes figures of the runs, and writes them into the documentation."""
