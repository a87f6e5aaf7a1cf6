#!/usr/bin/env bash
# What `make demo` claims, from its results.json: the User-LLM beats most-popular, and the same LLM
# without a user by a factor of two, in HR@10.
set -u
cd "$(dirname "$0")/../.." || exit 1
hr() {
	sed -nE "s/.*\"system\": \"$1\",.* \"hr@10\": ([0-9.]+).*/\1/p" "${BUILD:-build}/demo/results.json"
}
user=$(hr user-llm) alone=$(hr llm-without-user) popular=$(hr most-popular)
echo "HR@10: user-llm $user, llm-without-user $alone, most-popular $popular"
awk -v user="$user" -v alone="$alone" -v popular="$popular" \
	'BEGIN { exit !(user != "" && alone != "" && popular != "" && user > popular && user >= 2 * alone) }'
