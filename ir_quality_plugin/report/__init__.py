"""Pages that a person likes to read: self-contained HTML, light and dark."""
