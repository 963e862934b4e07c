"""Who may ask, from where, and how much: asked of every request before a route sees it."""
