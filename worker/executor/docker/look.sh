# Says what an image has for jobs: a line for each program, version manager, and thing that is missing.
for need in bash git head cat mkdir rm; do
	command -v "$need" >/dev/null || echo "missing $need"
done
version() {
	case $1 in
	go) go version ;;
	java | javac) "$1" -version 2>&1 ;;
	erl) erl -noshell -eval 'io:format("~s~n", [erlang:system_info(otp_release)]), halt().' ;;
	lua) lua -v 2>&1 ;;
	perl) perl -e 'print substr($^V, 1)' ;;
	ssh) ssh -V 2>&1 ;;
	unzip) unzip -v ;;
	*) "$1" --version 2>&1 ;;
	esac </dev/null
}
for program in bash git ssh curl wget make cmake gcc g++ clang go rustc cargo node npm python python2 python3 pip3 ruby bundle php composer java javac \
	mvn gradle ant sbt scala ghc stack cabal erl elixir perl lua R julia crystal dart swift dotnet mono docker sudo unzip xz; do
	command -v "$program" >/dev/null || continue
	said=$(version "$program" 2>/dev/null)
	[[ $said =~ [0-9]+(\.[0-9]+)*([._+-][0-9a-z]+)? ]] && said=${BASH_REMATCH[0]} || said=
	echo "program $program $said"
done
home=$(cd && pwd)
for manager in rvm:.rvm rbenv:.rbenv nvm:.nvm pyenv:.pyenv phpenv:.phpenv gimme:.gimme sdkman:.sdkman perlbrew:perl5/perlbrew rustup:.rustup ghcup:.ghcup \
	kerl:.kerl kiex:.kiex conda:miniconda3 asdf:.asdf mise:.local/share/mise; do
	name=${manager%%:*}
	if command -v "$name" >/dev/null || [ -d "$home/${manager#*:}" ] || [ -d "/usr/local/$name" ] || [ -d "/opt/$name" ] || [ -d "/opt/pyenv" -a "$name" = pyenv ]; then
		echo "manager $name"
	fi
done
echo "user $(id -un 2>/dev/null || id -u)"
