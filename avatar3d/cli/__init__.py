"""The command line: the only place where the packages meet, each imported when its verb runs."""
