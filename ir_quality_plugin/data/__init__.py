"""Images and labels from disk."""
