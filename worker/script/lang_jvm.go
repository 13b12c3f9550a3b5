package script

import "slices"

const skipTests = "install -DskipTests=true -Dmaven.javadoc.skip=true -B -V"

// java uses gradle or maven, by the files that are there, a wrapper before the machine's own.
func java(config) language {
	return language{
		key: "jdk", variable: "TRAVIS_JDK_VERSION",
		announce: []string{"java -version", "javac -version"},
		install: []choice{
			do(isFile("gradlew"), "./gradlew assemble"),
			do(anyFile("build.gradle", "build.gradle.kts"), "gradle assemble"),
			do(isFile("mvnw"), "./mvnw "+skipTests),
			do(isFile("pom.xml"), "mvn "+skipTests),
		},
		script: []choice{
			do(isFile("gradlew"), "./gradlew check"),
			do(anyFile("build.gradle", "build.gradle.kts"), "gradle check"),
			do(isFile("mvnw"), "./mvnw test -B"),
			do(isFile("pom.xml"), "mvn test -B"),
			do("", "ant test"),
		},
	}
}

// scala uses sbt where the project does, else it is java.
func scala(c config) language {
	const sbtProject = "[[ -d project || -f build.sbt ]]"
	version := c.or("scala", "2.12.8")
	l := java(c)
	l.setup = []string{"export TRAVIS_SCALA_VERSION=" + word(version)}
	l.install = slices.Insert(l.install, 0, choice{test: sbtProject})
	l.script = slices.Insert(l.script, 0, do(sbtProject, spaced("sbt", c.text("sbt_args"), word("++"+version), "test")))
	return l
}

func android(c config) language {
	l := java(c)
	l.install = nil
	l.script = []choice{
		do(isFile("gradlew"), "./gradlew build connectedCheck"),
		do(isFile("build.gradle"), "gradle build connectedCheck"),
		do(isFile("pom.xml"), "mvn install -B"),
		do("", "ant debug install test"),
	}
	return l
}

func clojure(c config) language {
	l := java(c)
	lein := word(c.or("lein", "lein"))
	l.install = always(lein + " deps")
	l.script = always(lein + " test")
	return l
}
