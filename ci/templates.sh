#!/bin/sh
# Everything about the templates that can be checked without AWS: lint, security scan, build, and the tests in
# deploy/tests. Tools come from PyPI, pinned, into virtual environments below target/. Needs python3 and cargo; no
# Docker, no credentials.
#
# ci/templates.sh          all of it
# ci/templates.sh --quick  without the security scan and the build
set -eu
cd "$(dirname "$0")/.."

export SAM_CLI_TELEMETRY=0 PIP_DISABLE_PIP_VERSION_CHECK=1
# No credentials and no profile: nothing here may depend on somebody's account.
export AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
environments=${TEMPLATES_VENV:-target/venv}
build=target/sam
templates="template.yaml $(echo deploy/*.yaml deploy/examples/*.yaml)"

# environment NAME: a virtual environment with what ci/requirements-NAME.txt and ci/constraints-NAME.txt pin, made anew
# when they change.
environment() {
    stamp="$environments/$1/pinned"
    if ! cat "ci/requirements-$1.txt" "ci/constraints-$1.txt" | cmp -s - "$stamp"; then
        rm -rf "${environments:?}/$1"
        python3 -m venv "$environments/$1"
        "$environments/$1/bin/pip" install --quiet --requirement "ci/requirements-$1.txt" --constraint "ci/constraints-$1.txt"
        cat "ci/requirements-$1.txt" "ci/constraints-$1.txt" > "$stamp"
    fi
}

step() { printf '== templates: %s\n' "$1" >&2; }

environment sam
PATH="$(cd "$environments/sam/bin" && pwd):$PATH"
export PATH

step "cfn-lint"
# shellcheck disable=SC2086  # a list of files without spaces
cfn-lint $templates

step "sam validate --lint"
for template in $templates; do
    sam validate --lint --template "$template" >/dev/null
done

if [ "${1:-}" = --quick ]; then
    step "tests"
    python -m pytest -q -p no:cacheprovider deploy/tests/test_templates.py deploy/tests/test_transform.py
    exit
fi

step "checkov"
environment checkov
# Every skip stands in the template that it is for, with its reason.
"$environments/checkov/bin/checkov" --framework cloudformation --compact --quiet --skip-download \
    $(for template in $templates; do printf -- '--file %s ' "$template"; done)

step "sam build"
rm -rf "$build"
sam build --template template.yaml --build-dir "$build" >/dev/null
# Nested stacks and relative folders are found only by building them; the function is the same and compiled already.
sam build --template deploy/private-api.yaml --build-dir "$build-private" >/dev/null

step "tests"
BUILD_DIRECTORY="$(pwd)/$build" python -m pytest -q -p no:cacheprovider deploy/tests
