// Files that appear whole or not at all.
#include "retrace/train/durable_file.hpp"

#include "support/catch.hpp"
#include "support/file_limit.hpp"
#include "support/scratch.hpp"

using namespace retrace;
namespace fs = std::filesystem;

TEST_CASE("a file is there under its name after commit and not before") {
  const Scratch scratch;
  const fs::path path = scratch.directory / "f";
  {
    DurableFile file(path);
    file.write("new");
    CHECK_FALSE(fs::exists(path));
    file.commit();
    CHECK(read_bytes(path) == "new");
  }
  CHECK(read_bytes(path) == "new");
  CHECK_FALSE(fs::exists(scratch.directory / "f.tmp"));
}

TEST_CASE("without commit everything stays as it was") {
  const Scratch scratch;
  const fs::path path = scratch.write("f", "old");
  DurableFile(path).write("new");
  CHECK(read_bytes(path) == "old");
  CHECK_FALSE(fs::exists(scratch.directory / "f.tmp"));
}

TEST_CASE("what the system refuses is an error that names the file") {
  const Scratch scratch;
  const fs::path path = scratch.write("f", "old");
  {
    const FileLimit limit(2);
    DurableFile file(path);
    CHECK_THROWS_WITH(file.write("new"), containing("f.tmp: File too large"));
  }
  CHECK(read_bytes(path) == "old");
  CHECK_THROWS_WITH(DurableFile(scratch.directory / "none" / "f"),
                    containing("f.tmp: No such file or directory"));
  fs::create_directory(scratch.directory / "folder");
  scratch.write("folder/file", "");
  DurableFile file(scratch.directory / "folder");
  CHECK_THROWS_AS(file.commit(), std::system_error);
}
