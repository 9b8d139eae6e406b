"""The program ``eqlab``, as the console script and as ``python -m eqlab``."""

from eqlab import _claim

# At the top of the module, because workers that are spawned import this module and never call ``main``.
_claim("experiments")


def main() -> None:
    """Run the command line."""
    from experiments.cli import main as run

    run()


if __name__ == "__main__":
    # Spawned workers skip a main module that was started with -m. Without a spec they run this file by its path, as they run the
    # console script, and so claim the packages before they look for a function in them.
    __spec__ = None
    main()
