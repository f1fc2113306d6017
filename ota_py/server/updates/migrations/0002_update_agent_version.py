from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('updates', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='update',
            name='agent_version',
            field=models.CharField(blank=True, help_text='Of the gateway software that it brings.', max_length=64),
        ),
    ]
