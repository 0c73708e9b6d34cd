"""Builds the programs, runs them, and records what they print."""
