"""The pages for people, at `/` and `/ui/`: rendered on the server, from what the routes of `/v1` answer."""
