"""Builds the programs, runs them, and keeps what they print."""
