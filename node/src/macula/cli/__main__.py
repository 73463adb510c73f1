"""`python -m macula.cli`, where the console script is not on the path."""

from macula.cli.main import main

main()
