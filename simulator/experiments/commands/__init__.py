"""The sub-commands of `simulator` for experiments. Parsing here; the work, imported late, in the
modules beside this package, so that `--help` is quick."""
