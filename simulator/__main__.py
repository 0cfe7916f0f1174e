"""`python -m simulator`: the command line, also where no script of it is on the path."""

from simulator.cli import main

if __name__ == "__main__":
    main()
