"""What people read of a comparison: HTML, Markdown, and pairs to rate by hand."""
