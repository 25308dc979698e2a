"""The demo: runs the shop for real, sends customers to it, and shows the stories that it told."""
