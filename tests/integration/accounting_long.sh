#!/bin/bash
# accounting_long.sh - thirty seconds of the same.
# shellcheck source=tests/support/accounting.sh
source "$(dirname "$0")/../support/accounting.sh"
account 30s
