from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('updates', '0002_update_agent_version'),
    ]

    operations = [
        migrations.AddField(
            model_name='update',
            name='migrates',
            field=models.BooleanField(default=False, help_text='Changes data so that the old version cannot read it.'),
        ),
        migrations.AddField(
            model_name='update',
            name='on_rollback',
            field=models.CharField(choices=[('restore', 'restore'), ('keep', 'keep')], default='restore', help_text='What a rollback does to the databases.', max_length=7),
        ),
        migrations.AddField(
            model_name='update',
            name='hooks',
            field=models.JSONField(default=list, help_text='Points at which it runs commands of its own, in order.'),
        ),
    ]
