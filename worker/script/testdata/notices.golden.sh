#!/bin/bash
# The script of job 12.3 of acme/app, made by Headrace.
# It ends with 0 = passed, 1 = failed, 2 = errored: the job could not be set up.
# shellcheck disable=SC1090,SC1091,SC2016,SC2034,SC2088,SC2317,SC2319

# (runtime.sh)
# (addons.sh)
headrace_own=
# (services.sh)
# (apt.sh)
# (deploy.sh)

# ==== The job ====
# In braces, so that bash reads all of it before it runs any of it.
{

# ---- What this version does not do ----
headrace_say 'workspaces: use: files are not passed from job to job yet by this version of Headrace.'
headrace_say 'os: osx was asked for. The job runs on the system that this worker has.'

# ---- Built-in variables ----
export CI=true
export TRAVIS=true
export CONTINUOUS_INTEGRATION=true
export HEADRACE=true
export PAGER=cat
export DEBIAN_FRONTEND=noninteractive
export GIT_TERMINAL_PROMPT=0
export TRAVIS_ALLOW_FAILURE=false
export TRAVIS_BRANCH=main
export TRAVIS_BUILD_ID=33
export TRAVIS_BUILD_NUMBER=12
export TRAVIS_BUILD_STAGE_NAME=Test
export TRAVIS_COMMIT=0123456789abcdef0123456789abcdef01234567
export TRAVIS_COMMIT_MESSAGE='Turn the wheel'\''s gate

It was $STUCK.'
export TRAVIS_COMMIT_RANGE=aaa...bbb
export TRAVIS_EVENT_TYPE=push
export TRAVIS_JOB_ID=71
export TRAVIS_JOB_NAME=''
export TRAVIS_JOB_NUMBER=12.3
export TRAVIS_LANGUAGE=python
export TRAVIS_OS_NAME=osx
export TRAVIS_DIST=''
export TRAVIS_PULL_REQUEST=false
export TRAVIS_PULL_REQUEST_BRANCH=''
export TRAVIS_PULL_REQUEST_SHA=''
export TRAVIS_PULL_REQUEST_SLUG=''
export TRAVIS_PULL_REQUEST_IS_DRAFT=''
export TRAVIS_REPO_PRIVATE=false
export TRAVIS_REPO_SLUG=acme/app
export TRAVIS_SECURE_ENV_VARS=false
export TRAVIS_JOB_RESTARTED=false
export TRAVIS_JOB_RESTARTED_BY=''
export TRAVIS_TAG=''
export TRAVIS_TEST_RESULT=''
export TRAVIS_ROOT=/
export TRAVIS_JOB_WEB_URL=https://ci.mill.example/r/acme/app/jobs/12.3 TRAVIS_BUILD_WEB_URL=https://ci.mill.example/r/acme/app/builds/12
export TRAVIS_HOME=$HOME TRAVIS_TMPDIR=$headrace_tmp
export TRAVIS_BUILD_DIR=$HOME/build/acme/app
case $(uname -m) in
  x86_64) TRAVIS_CPU_ARCH=amd64 ;;
  aarch64) TRAVIS_CPU_ARCH=arm64 ;;
  *) TRAVIS_CPU_ARCH=$(uname -m) ;;
esac
export TRAVIS_CPU_ARCH TRAVIS_ARCH=$TRAVIS_CPU_ARCH

# ---- addons.apt ----
headrace_say 'addons.apt: only linux has it, and this job is for osx.'

# ---- services ----
headrace_start services.1 'headrace_service redis redis-server 6379' 'service redis-server start'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_start services.2 'headrace_service postgresql postgresql 5432' 'service postgresql start'
eval "$TRAVIS_CMD"
headrace_end $?

# ---- checkout ----
headrace_phase=checkout
headrace_enter "$HOME"/build/acme
headrace_start git.checkout.1 'headrace_clone https://git.mill.example/acme/app.git app main --depth=50' 'git clone --depth=50 --branch=main https://git.mill.example/acme/app.git app'
travis_retry eval "$TRAVIS_CMD"
headrace_end $?
headrace_start git.checkout.2 'cd app'
eval "$TRAVIS_CMD"
headrace_end $?
if ! git cat-file -e '0123456789abcdef0123456789abcdef01234567^{commit}' 2>/dev/null; then
  headrace_start git.checkout.3 'headrace_need_commit 0123456789abcdef0123456789abcdef01234567 --depth=50' 'git fetch origin 0123456789abcdef0123456789abcdef01234567'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
fi
headrace_start git.checkout.4 'git checkout -qf 0123456789abcdef0123456789abcdef01234567'
eval "$TRAVIS_CMD"
headrace_end $?
if [[ -f .gitmodules ]]; then
  headrace_start git.checkout.5 'git submodule update --init --recursive'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
fi

# ---- language ----
headrace_phase=language
export TRAVIS_PYTHON_VERSION=3.10
if headrace_has pyenv; then
  headrace_start language.1 'pyenv install --skip-existing 3.10 && export PYENV_VERSION="$(pyenv latest 3.10)" && eval "$(pyenv init -)"'
  eval "$TRAVIS_CMD"
  headrace_end $?
else
  headrace_say 'python: 3.10 was asked for, and pyenv is not on this machine. The version that it has is used.'
fi
headrace_announce python --version
headrace_announce python3 --version
headrace_announce pip --version

# ---- cache ----
headrace_say 'cache: the platform gives this job no place for a cache. It runs without one.'

# ---- install ----
headrace_say 'install: ignore, so nothing runs in this phase.'

# ---- script ----
headrace_say 'script: skip, so nothing runs in this phase.'
TRAVIS_TEST_RESULT=$headrace_result

# ---- deploy ----
if [[ $headrace_result == 0 ]]; then
  headrace_phase=deploy
  headrace_deploy=()
  headrace_deploy_files=()
  headrace_start deploy.1 'headrace_deploy_releases' 'deploy with releases'
  eval "$TRAVIS_CMD"
  headrace_end $?
  :
fi
exit "$headrace_result"
}
