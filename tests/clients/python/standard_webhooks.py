"""Verifies webhooks with the package `standardwebhooks`, as a receiver would: what came, then what was altered."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def refuses(webhook, body, headers):
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


def main():
    passed = 0
    for sent in json.load(sys.stdin):
        body, headers = sent["body"], sent["headers"]
        for secret in sent["secrets"]:
            webhook = Webhook(secret)
            told = webhook.verify(body, headers)
            assert told["event"] == sent["event"], told
            assert refuses(webhook, body + " ", headers)
            assert refuses(webhook, body, {**headers, "webhook-id": headers["webhook-id"] + "0"})
            passed += 1
        assert refuses(Webhook("whsec_" + "A" * 43 + "="), body, headers)
        passed += 1
    print(f"standardwebhooks of PyPI: {passed} passed, 0 failed")


main()
