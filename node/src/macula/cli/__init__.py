"""The command `macula`. Each command is a module, imported only when it is used."""
