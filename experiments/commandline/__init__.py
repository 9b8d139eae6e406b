"""The command line: options from TOML, flags and --set, output, messages and exit codes."""
