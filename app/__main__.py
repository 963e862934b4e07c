"""`python -m app` is `model-transfer`."""

from app.cli import main

main()
