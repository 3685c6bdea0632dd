"""Text to token ids, and token ids packed into model inputs."""
