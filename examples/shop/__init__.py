"""The example shop: an ordinary Django and Celery application, and a demo that runs it with real customers."""
