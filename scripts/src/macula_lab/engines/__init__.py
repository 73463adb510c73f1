"""What can run a topology: Docker, or plain network namespaces."""
