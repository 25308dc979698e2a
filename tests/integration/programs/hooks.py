"""Tells whether smtplib is hooked."""

import json
import smtplib

print(json.dumps({"provider": "", "smtplib": hasattr(smtplib.SMTP.sendmail, "__wrapped__")}))
