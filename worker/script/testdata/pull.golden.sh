#!/bin/bash
# The script of job 12.3 of acme/app, made by Headrace.
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
export TRAVIS_BRANCH=main
export TRAVIS_BUILD_ID=33
export TRAVIS_BUILD_NUMBER=12
export TRAVIS_BUILD_STAGE_NAME=Test
export TRAVIS_COMMIT=0123456789abcdef0123456789abcdef01234567
export TRAVIS_COMMIT_MESSAGE='Turn the wheel'\''s gate

It was $STUCK.'
export TRAVIS_COMMIT_RANGE=aaa...bbb
export TRAVIS_EVENT_TYPE=pull_request
export TRAVIS_JOB_ID=71
export TRAVIS_JOB_NAME=''
export TRAVIS_JOB_NUMBER=12.3
export TRAVIS_LANGUAGE=go
export TRAVIS_OS_NAME=linux
export TRAVIS_DIST=''
export TRAVIS_PULL_REQUEST=5
export TRAVIS_PULL_REQUEST_BRANCH=fix
export TRAVIS_PULL_REQUEST_SHA=0badc0de
export TRAVIS_PULL_REQUEST_SLUG=ines/app
export TRAVIS_PULL_REQUEST_IS_DRAFT=false
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

# ---- checkout ----
headrace_phase=checkout
headrace_enter "$HOME"/build/acme
headrace_start git.checkout.1 'headrace_clone https://git.mill.example/acme/app.git app main --quiet' 'git clone --quiet --branch=main https://git.mill.example/acme/app.git app'
travis_retry eval "$TRAVIS_CMD"
headrace_end $?
headrace_start git.checkout.2 'cd app'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_start git.checkout.3 'git fetch --quiet origin +refs/pull/5/merge:'
travis_retry eval "$TRAVIS_CMD"
headrace_end $?
if ! git cat-file -e '0123456789abcdef0123456789abcdef01234567^{commit}' 2>/dev/null; then
  headrace_start git.checkout.4 'headrace_need_commit 0123456789abcdef0123456789abcdef01234567' 'git fetch origin 0123456789abcdef0123456789abcdef01234567'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
fi
headrace_start git.checkout.5 'git checkout -qf 0123456789abcdef0123456789abcdef01234567'
eval "$TRAVIS_CMD"
headrace_end $?

# ---- Environment variables ----
printf '\n%s\n' 'Setting environment variables from the settings of the repository'
headrace_say 'TOKEN is secret; this job may not see secrets.'
headrace_setting REGION 'eu north'

# ---- language ----
headrace_phase=language
export TRAVIS_GO_VERSION=1.22.x
if headrace_has gimme; then
  headrace_start language.1 'eval "$(gimme 1.22.x)"'
  eval "$TRAVIS_CMD"
  headrace_end $?
else
  headrace_say 'go: 1.22.x was asked for, and gimme is not on this machine. The version that it has is used.'
fi
export GO111MODULE="${GO111MODULE:-auto}"
export GOPATH=$HOME/gopath
export PATH=$GOPATH/bin:$PATH
mkdir -p -- "$GOPATH/bin"
headrace_gopath mill.example/app
headrace_announce go version

# ---- install ----
headrace_phase=install
if [[ -f GNUmakefile || -f makefile || -f Makefile || -f BSDmakefile ]]; then
  :
elif [[ -f Godeps/Godeps.json ]]; then
  headrace_start install.1 'go get github.com/tools/godep'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
  headrace_start install.2 'godep restore'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
else
  headrace_start install.1 'go get -v -t ./...'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
fi

# ---- script ----
headrace_phase=script
if [[ -f GNUmakefile || -f makefile || -f Makefile || -f BSDmakefile ]]; then
  headrace_start '' 'make'
  eval "$TRAVIS_CMD"
  headrace_end $?
else
  headrace_start '' 'go test -v ./...'
  eval "$TRAVIS_CMD"
  headrace_end $?
fi
TRAVIS_TEST_RESULT=$headrace_result
exit "$headrace_result"
}
