#!/bin/bash
# accounting.sh - two seconds at full speed: no error, no lost line, every request traced to
# its thread.
# shellcheck source=tests/support/accounting.sh
source "$(dirname "$0")/../support/accounting.sh"
account 2s
