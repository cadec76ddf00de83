"""Interactive pages: each one HTML file that needs no network, no server and no other file."""
