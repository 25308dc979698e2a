"""Products, orders and their items."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from store.models import new_reference


class Migration(migrations.Migration):
    """The first tables."""

    initial = True
    dependencies = (migrations.swappable_dependency(settings.AUTH_USER_MODEL),)
    operations = (
        migrations.CreateModel(
            "Product",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("price", models.DecimalField(decimal_places=2, max_digits=8)),
            ],
        ),
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.SlugField(default=new_reference, max_length=8, unique=True)),
                ("email", models.EmailField(max_length=254)),
                ("card_ending", models.CharField(max_length=4)),
                ("total", models.DecimalField(decimal_places=2, max_digits=10)),
                ("placed_at", models.DateTimeField(auto_now_add=True)),
                (
                    "customer",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL, django.db.models.deletion.PROTECT, related_name="orders"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "OrderItem",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("price", models.DecimalField(decimal_places=2, max_digits=8)),
                (
                    "order",
                    models.ForeignKey("store.order", django.db.models.deletion.CASCADE, related_name="items"),
                ),
                ("product", models.OneToOneField("store.product", django.db.models.deletion.PROTECT)),
            ],
        ),
    )
