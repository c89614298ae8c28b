"""The operations of apps, versions, keys and call-backs."""

from typing import Final

from jikko.http.console import apps, environment, keys, versions
from jikko.http.console.app_bodies import AppFull, Apps, Version
from jikko.http.console.tables.entry import IN_APP, NOTHING, OPERATORS, Entry

_DRY_RUN: Final = (("dry_run", {"type": "string"}, "true: nothing is imported."),)
_VERSION: Final = (("version", {"type": "string"}, "The id or number of a version; by default the current one."),)
_FROM_TO: Final = (
    ("from*", {"type": "string", "minLength": 1}, "The id or number of a version."),
    ("to", {"type": "string"}, "By default the current one."),
)
_CALLBACKS: Final = (
    ("app", {"type": "string"}, "The id of an app."),
    ("state", {"type": "string", "enum": ["pending", "failed"]}, "By default both."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "Default 50."),
)

APPS: Final = (
    Entry("GET", "apps", apps.list_apps, "All apps", {200: Apps}, {"errors": (503,)}),
    Entry(
        "POST",
        "apps",
        apps.import_apps,
        "Import files",
        {200: apps.Imported},
        {**OPERATORS, "body": apps.ImportForm, "body_media_type": "multipart/form-data", "query": _DRY_RUN},
    ),
    Entry("GET", "apps/{app_id}", apps.read_app, "An app", {200: AppFull}, {"query": _VERSION, "errors": (404,)}),
    Entry("DELETE", "apps/{app_id}", apps.delete_app, "Remove an app", NOTHING, {**OPERATORS, "errors": (404,)}),
    Entry("GET", "apps/{app_id}/versions", versions.list_versions, "Versions", {200: versions.Versions}, IN_APP),
    Entry(
        "GET",
        "apps/{app_id}/versions/{workflow_id}/source",
        versions.read_source,
        "The file of a version",
        {200: "application/yaml"},
        {**OPERATORS, **IN_APP},
    ),
    Entry(
        "POST",
        "apps/{app_id}/versions/{workflow_id}/publish",
        versions.publish_version,
        "Make a version the current one",
        {200: Version},
        {**OPERATORS, "errors": (400, 404)},
    ),
    Entry(
        "GET",
        "apps/{app_id}/diff",
        versions.compare_versions,
        "What is different in two versions",
        {200: versions.VersionDiff},
        {"query": _FROM_TO, "errors": (400, 404)},
    ),
    Entry("GET", "apps/{app_id}/keys", keys.list_keys, "API keys", {200: keys.Keys}, {**OPERATORS, **IN_APP}),
    Entry("POST", "apps/{app_id}/keys", keys.make_key, "Make an API key", {201: keys.Key}, {**OPERATORS, **IN_APP}),
    Entry("DELETE", "apps/{app_id}/keys/{key_id}", keys.revoke_key, "Revoke a key", NOTHING, {**OPERATORS, **IN_APP}),
    Entry(
        "POST",
        "apps/{app_id}/webhook-secret",
        keys.new_webhook_secret,
        "Replace the secret of call-backs",
        {200: keys.WebhookSecret},
        {**OPERATORS, **IN_APP},
    ),
    Entry(
        "GET",
        "apps/{app_id}/environment",
        environment.read_environment,
        "Environment variables",
        {200: environment.Environment},
        {**OPERATORS, "errors": (400, 404, 503)},
    ),
    Entry(
        "POST",
        "apps/{app_id}/environment",
        environment.set_environment,
        "Set environment variables",
        {200: environment.Environment},
        {**OPERATORS, "body": environment.EnvironmentChanges, "errors": (404, 503)},
    ),
    Entry(
        "GET",
        "callbacks",
        keys.list_callbacks,
        "Call-backs that were not delivered",
        {200: keys.UndeliveredCallbacks},
        {"query": _CALLBACKS, "errors": (400,)},
    ),
    Entry(
        "POST",
        "callbacks/resend",
        keys.resend_callbacks,
        "Have all call-backs that were given up delivered again",
        {200: keys.ResentCallbacks},
        {**OPERATORS, "errors": (503,)},
    ),
    Entry(
        "POST",
        "callbacks/{run_id}/resend",
        keys.resend_callback,
        "Have a call-back delivered again",
        {200: keys.UndeliveredCallback},
        {**OPERATORS, **IN_APP},
    ),
)
