"""Turns the runs into tables and drawings, and writes them into the documentation."""
