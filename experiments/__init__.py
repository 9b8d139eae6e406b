"""The command line and everything around a trial: options, run directories, the journal, figures and reports.

Nothing here is imported by the packages that do the science, and importing a command's module imports neither torch nor numba nor
matplotlib nor scipy: commands import those inside their functions, so that ``eqlab --help`` answers at once.
"""
