"""Command line -> one call of the package per verb."""
