"""Programs of click and typer."""
