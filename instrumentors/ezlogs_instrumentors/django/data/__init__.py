"""Django's ORM and data: each way of writing rows has its file here; the transaction decides whether they are told."""
