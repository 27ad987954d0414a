"""Published corpus layout -> clips; one file per corpus."""
