#!/bin/bash
# The script of job  of , made by Headrace.
# It ends with 0 = passed, 1 = failed, 2 = errored: the job could not be set up.
# shellcheck disable=SC1090,SC1091,SC2016,SC2034,SC2088,SC2317,SC2319

# (runtime.sh)

# ==== The job ====
# In braces, so that bash reads all of it before it runs any of it.
{

# ---- Built-in variables ----
export CI=true
export TRAVIS=true
export CONTINUOUS_INTEGRATION=true
export HEADRACE=true
export PAGER=cat
export DEBIAN_FRONTEND=noninteractive
export GIT_TERMINAL_PROMPT=0
export TRAVIS_ALLOW_FAILURE=false
export TRAVIS_BRANCH=''
export TRAVIS_BUILD_ID=''
export TRAVIS_BUILD_NUMBER=''
export TRAVIS_BUILD_STAGE_NAME=''
export TRAVIS_COMMIT=''
export TRAVIS_COMMIT_MESSAGE=''
export TRAVIS_COMMIT_RANGE=''
export TRAVIS_EVENT_TYPE=''
export TRAVIS_JOB_ID=210
export TRAVIS_JOB_NAME=''
export TRAVIS_JOB_NUMBER=''
export TRAVIS_LANGUAGE=''
export TRAVIS_OS_NAME=linux
export TRAVIS_DIST=''
export TRAVIS_PULL_REQUEST=false
export TRAVIS_PULL_REQUEST_BRANCH=''
export TRAVIS_PULL_REQUEST_SHA=''
export TRAVIS_PULL_REQUEST_SLUG=''
export TRAVIS_PULL_REQUEST_IS_DRAFT=''
export TRAVIS_REPO_PRIVATE=false
export TRAVIS_REPO_SLUG=''
export TRAVIS_SECURE_ENV_VARS=false
export TRAVIS_JOB_RESTARTED=false
export TRAVIS_JOB_RESTARTED_BY=''
export TRAVIS_TAG=''
export TRAVIS_TEST_RESULT=''
export TRAVIS_ROOT=/
export TRAVIS_HOME=$HOME TRAVIS_TMPDIR=$headrace_tmp
export TRAVIS_BUILD_DIR=$HOME/build
case $(uname -m) in
  x86_64) TRAVIS_CPU_ARCH=amd64 ;;
  aarch64) TRAVIS_CPU_ARCH=arm64 ;;
  *) TRAVIS_CPU_ARCH=$(uname -m) ;;
esac
export TRAVIS_CPU_ARCH TRAVIS_ARCH=$TRAVIS_CPU_ARCH

# ---- checkout ----
headrace_phase=checkout
headrace_say 'This job names no repository: nothing is cloned.'
headrace_enter "$TRAVIS_BUILD_DIR"

# ---- language ----
headrace_phase=language
if [[ -f Gemfile ]]; then export BUNDLE_GEMFILE=$PWD/Gemfile; else :; fi
headrace_announce ruby --version
headrace_announce gem --version
headrace_announce bundle --version

# ---- install ----
headrace_phase=install
if [[ -n ${BUNDLE_GEMFILE:-} && -f $BUNDLE_GEMFILE.lock ]]; then
  headrace_start install.1 'bundle install --jobs=3 --retry=3 --deployment'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
elif [[ -n ${BUNDLE_GEMFILE:-} ]]; then
  headrace_start install.1 'bundle install --jobs=3 --retry=3'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
fi

# ---- script ----
headrace_phase=script
headrace_start '' 'echo minimal'
eval "$TRAVIS_CMD"
headrace_end $?
TRAVIS_TEST_RESULT=$headrace_result
exit "$headrace_result"
}
