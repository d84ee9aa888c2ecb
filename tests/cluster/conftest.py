"""The CGSE framework reads these when it is imported."""

import logging
import os
from pathlib import Path

SETTINGS = Path(__file__).parent.parent / "interop" / "python_settings.yaml"

os.environ.update(
    PROJECT="INTEROP",
    SITE_ID="LAB",
    INTEROP_LOCAL_SETTINGS=str(SETTINGS),
    CGSE_DOTENV_DISABLED="true",
    LOG_LEVEL="INFO",
)
for name in ("SERVICE_REGISTRY_CONFIG", "SERVICE_REGISTRY_HOST"):
    os.environ.pop(name, None)

# It tells every heartbeat that fails and every service that registers again.
logging.getLogger("egse.registry.client").setLevel(logging.CRITICAL)
