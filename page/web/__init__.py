"""Routes, what each page shows, and the events that keep an open page up to date."""
