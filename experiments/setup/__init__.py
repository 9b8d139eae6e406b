"""Setup shared by all learning commands: options, networks, rules, checks, training metrics."""
