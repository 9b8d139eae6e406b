"""One run on disk: directory, journal, records, arrays, provenance and intervals."""
