"""The one process of a project that forks, reaps and signals its others, and outlives the command that began it."""
