// Contract of a World: files and directories.
#include <list>

#include "tests/contract/actor.h"
#include "tests/contract/world_contract.h"

namespace vivarium::contract {
namespace {

std::vector<uint64_t> tokens_of(const std::vector<Seen>& events) {
  std::vector<uint64_t> tokens;
  for (const Seen& one : events) tokens.push_back(one.token);
  return tokens;
}

TEST_P(WorldContract, AFreshHostHasEmptyDirectories) {
  Actor a(*worlds_);
  for (const Dir dir : {Dir::Root, Dir::Snapshots, Dir::Logs, Dir::Config}) {
    EXPECT_TRUE(a.list(dir).empty()) << static_cast<int>(dir);
  }
}

TEST_P(WorldContract, ReadingAMissingFileFails) {
  Actor a(*worlds_);
  FileId file;
  a.act([&](World& world) {
    file = a.open(world, Dir::Logs, "nothing", OpenMode::Read);
    world.read(file, 0, 10, 1);
  });
  a.wait([&] { return a.count<FileFailed>(file) == 1; }, "FileFailed");
  EXPECT_EQ(a.all<FileFailed>().front().error, FileError::NotFound);
  a.let_pass(5);
  EXPECT_EQ(a.events_of(file), 1U) << "no further event but this";
  EXPECT_TRUE(a.list(Dir::Logs).empty()) << "nothing was created";
}

TEST_P(WorldContract, AMissingFileDoesNotStopTheProcess) {
  Actor a(*worlds_);
  FileId file;
  a.act([&](World& world) {
    file = a.open(world, Dir::Root, "nothing", OpenMode::Read, Lane::Log, OnError::Stop);
  });
  a.wait([&] { return a.count<FileFailed>(file) == 1; }, "FileFailed");
  EXPECT_EQ(a.ended(), std::nullopt);
}

TEST_P(WorldContract, UpdateKeepsAndCreateEmpties) {
  Actor a(*worlds_);
  const FileId fresh = a.opened(Dir::Logs, "file", OpenMode::Update);
  EXPECT_EQ(a.all<FileOpened>().back().size, 0U);
  a.act([&](World& world) {
    world.write(fresh, 0, as_bytes("content"));
    world.sync(fresh, 1);
  });
  a.wait([&] { return a.count<FileSynced>(fresh) == 1; }, "FileSynced");
  a.opened(Dir::Logs, "file", OpenMode::Update);
  EXPECT_EQ(a.all<FileOpened>().back().size, 7U);
  EXPECT_EQ(as_text(a.content(Dir::Logs, "file")), "content");
  a.opened(Dir::Logs, "file", OpenMode::Create);
  EXPECT_EQ(a.all<FileOpened>().back().size, 0U);
  EXPECT_TRUE(a.content(Dir::Logs, "file").empty());
}

TEST_P(WorldContract, OperationsMayFollowOpenWithoutWaiting) {
  Actor a(*worlds_);
  FileId file;
  a.act([&](World& world) {
    file = a.open(world, Dir::Logs, "file", OpenMode::Create);
    world.write(file, 0, as_bytes("hello "));
    world.write(file, 6, as_bytes("world"));
    world.read(file, 0, 100, 1);
    world.sync(file, 2);
  });
  a.wait([&] { return a.count<FileSynced>(file) == 1; }, "FileSynced");
  ASSERT_EQ(a.count<ReadDone>(file), 1U);
  EXPECT_EQ(as_text(a.all<ReadDone>().front().bytes), "hello world");
}

TEST_P(WorldContract, WrittenBytesAreCopiedBeforeTheCallReturns) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "file", OpenMode::Create);
  Bytes expected;
  a.act([&](World& world) {
    Bytes buffer;
    for (uint64_t i = 0; i < 20; ++i) {
      buffer = pattern(777, i);
      world.write(file, expected.size(), buffer);
      append_bytes(expected, buffer);
      std::fill(buffer.begin(), buffer.end(), Byte{0});
    }
    SharedBytes shared = share(pattern(50'000, 99));
    world.write_shared(file, expected.size(), shared);
    append_bytes(expected, *shared);
    shared.reset();
    world.sync(file, 1);
  });
  a.wait([&] { return a.count<FileSynced>(file) == 1; }, "FileSynced");
  EXPECT_TRUE(a.content(Dir::Logs, "file") == expected);
}

TEST_P(WorldContract, WritesLandWhereTheySay) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "file", OpenMode::Create);
  a.act([&](World& world) {
    world.write(file, 0, as_bytes("0123456789"));
    world.write(file, 3, as_bytes("abc"));
    world.write(file, 4, as_bytes("XY"));  // over what the write before has put there
    world.write(file, 14, as_bytes("end"));
    world.sync(file, 1);
  });
  a.wait([&] { return a.count<FileSynced>(file) == 1; }, "FileSynced");
  EXPECT_EQ(as_text(a.content(Dir::Logs, "file")), std::string_view("012aXY6789\0\0\0\0end", 17));
}

TEST_P(WorldContract, AReadEndsAtTheEndOfTheFile) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "file", OpenMode::Create);
  a.act([&](World& world) {
    world.write(file, 0, as_bytes("0123456789"));
    world.read(file, 2, 5, 1);
    world.read(file, 7, 5, 2);
    world.read(file, 10, 5, 3);
    world.read(file, 1000, 5, 4);
    world.read(file, 0, 10, 5);
  });
  a.wait([&] { return a.count<ReadDone>(file) == 5; }, "five reads");
  const std::vector<Seen> reads = a.all<ReadDone>();
  EXPECT_EQ(tokens_of(reads), (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(as_text(reads[0].bytes), "23456");
  EXPECT_EQ(reads[0].offset, 2U);
  EXPECT_EQ(as_text(reads[1].bytes), "789");
  EXPECT_TRUE(reads[2].bytes.empty());
  EXPECT_TRUE(reads[3].bytes.empty());
  EXPECT_EQ(reads[3].offset, 1000U);
  EXPECT_EQ(as_text(reads[4].bytes), "0123456789");
}

TEST_P(WorldContract, LargeReadsComeWhole) {
  Actor a(*worlds_);
  const Bytes content = pattern(3'000'000, 5);
  const FileId file = a.opened(Dir::Snapshots, "snapshot.1", OpenMode::Create, Lane::Bulk);
  a.act([&](World& world) {
    world.write(file, 0, content);
    world.read(file, 0, content.size(), 1);
  });
  a.wait([&] { return a.count<ReadDone>(file) == 1; }, "ReadDone");
  EXPECT_TRUE(a.all<ReadDone>().front().bytes == content);
}

// What is read back is what was written, whatever the disk holds. A real World's disk holds less.
TEST_P(WorldContract, CodedFilesComeBackPlain) {
  constexpr uint64_t kChunk = 100'000;
  std::list<Actor> actors;  // what their hosts still expect comes while the next one is at work
  for (const Coding coding : {Coding::Gzip, Coding::Snappy}) {
    Actor& a = actors.emplace_back(*worlds_);
    Bytes content;
    for (uint64_t i = 0; i < 9; ++i) append_bytes(content, pattern(50'000, i % 2));
    FileId file;
    a.act([&](World& world) {
      file = a.open_coded(world, Dir::Snapshots, "coded", OpenMode::Create, coding);
      size_t at = 0;
      for (size_t length = 1; at < content.size(); length = 3 * length + 1) {
        const size_t part = std::min(length, content.size() - at);
        world.write(file, at, ByteView(content).subspan(at, part));
        at += part;
        world.sync(file, at);
      }
      world.end_coded(file);
      world.sync(file, 0);
    });
    a.wait([&] { return a.count<FileSynced>(file) > 0 && a.all<FileSynced>().back().token == 0; },
           "the last FileSynced");
    FileId again;
    a.act([&](World& world) {
      a.close(world, file);
      again = a.open_coded(world, Dir::Snapshots, "coded", OpenMode::Read, coding);
      for (uint64_t i = 0; i < 6; ++i) world.read(again, i * kChunk, kChunk, i);
    });
    a.wait([&] { return a.count<ReadDone>(again) == 6; }, "six reads");
    Bytes read;
    for (const Seen& one : a.all<ReadDone>()) append_bytes(read, one.bytes);
    EXPECT_TRUE(read == content) << static_cast<int>(coding);
    EXPECT_TRUE(a.all<ReadDone>().back().bytes.empty());
  }
}

TEST_P(WorldContract, AMissingCodedFileFails) {
  Actor a(*worlds_);
  FileId file;
  a.act([&](World& world) {
    file = a.open_coded(world, Dir::Snapshots, "nothing", OpenMode::Read, Coding::Gzip);
  });
  a.wait([&] { return a.count<FileFailed>(file) == 1; }, "FileFailed");
  EXPECT_EQ(a.all<FileFailed>().front().error, FileError::NotFound);
}

TEST_P(WorldContract, TruncateCutsAndExtends) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "file", OpenMode::Create);
  a.act([&](World& world) {
    world.write(file, 0, as_bytes("0123456789"));
    world.truncate(file, 4);
    world.read(file, 0, 100, 1);
    world.truncate(file, 6);
    world.read(file, 0, 100, 2);
    world.write(file, 6, as_bytes("!"));
    world.sync(file, 3);
  });
  a.wait([&] { return a.count<FileSynced>(file) == 1; }, "FileSynced");
  const std::vector<Seen> reads = a.all<ReadDone>();
  ASSERT_EQ(reads.size(), 2U);
  EXPECT_EQ(as_text(reads[0].bytes), "0123");
  EXPECT_EQ(as_text(reads[1].bytes), std::string_view("0123\0\0", 6));
  EXPECT_EQ(as_text(a.content(Dir::Logs, "file")), std::string_view("0123\0\0!", 7));
}

TEST_P(WorldContract, EachSyncIsAnsweredOnceAndInOrder) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "log", OpenMode::Create);
  uint64_t end = 0;
  std::vector<uint64_t> expected;
  for (uint64_t turn = 0; turn < 10; ++turn) {
    a.act([&](World& world) {
      for (uint64_t i = 0; i < 10; ++i) {
        world.write(file, end, pattern(100 + i, i));
        end += 100 + i;
        expected.push_back(1000 * turn + i);
        world.sync(file, expected.back());
      }
      expected.push_back(0);  // tokens need not be different, nor the writes between them be any
      world.sync(file, 0);
    });
  }
  a.wait([&] { return a.count<FileSynced>(file) >= expected.size(); }, "all syncs");
  EXPECT_EQ(tokens_of(a.all<FileSynced>()), expected);
  EXPECT_EQ(a.content(Dir::Logs, "log").size(), end);
}

TEST_P(WorldContract, CompletionsOfOneFileComeInTheOrderIssued) {
  Actor a(*worlds_);
  FileId file;
  std::vector<size_t> kinds;
  a.act([&](World& world) {
    file = a.open(world, Dir::Logs, "file", OpenMode::Create);
    kinds.push_back(kind_of<FileOpened>());
    for (uint64_t i = 0; i < 5; ++i) {
      world.write(file, 10 * i, pattern(10, i));
      world.sync(file, i);
      kinds.push_back(kind_of<FileSynced>());
      world.read(file, 0, 1000, i);
      kinds.push_back(kind_of<ReadDone>());
      if (i != 4) continue;
      world.preallocate(file, 50, 1000);
      kinds.push_back(kind_of<Preallocated>());
      world.sync(file, 77);
      kinds.push_back(kind_of<FileSynced>());
    }
  });
  a.wait([&] { return a.events_of(file) >= kinds.size(); }, "all completions");
  std::vector<size_t> seen;
  for (const Seen& one : a.seen()) {
    if (one.file == file) seen.push_back(one.kind);
  }
  EXPECT_EQ(seen, kinds);
  for (const Seen& one : a.all<ReadDone>()) {
    EXPECT_EQ(one.bytes.size(), 10 * (one.token + 1)) << "a read sees the writes before it only";
  }
}

TEST_P(WorldContract, BothLanesServe) {
  Actor a(*worlds_);
  FileId log;
  FileId bulk;
  a.act([&](World& world) {
    log = a.open(world, Dir::Logs, "log.1", OpenMode::Create, Lane::Log);
    bulk = a.open(world, Dir::Snapshots, "snapshot.1", OpenMode::Create, Lane::Bulk);
    for (uint64_t i = 0; i < 50; ++i) world.write(bulk, i * 10'000, pattern(10'000, i));
    world.sync(bulk, 1);
    world.write(log, 0, as_bytes("small"));
    world.sync(log, 2);
  });
  a.wait([&] { return a.count<FileSynced>(log) == 1 && a.count<FileSynced>(bulk) == 1; }, "syncs");
  EXPECT_EQ(as_text(a.content(Dir::Logs, "log.1", Lane::Bulk)), "small");
  EXPECT_EQ(a.content(Dir::Snapshots, "snapshot.1", Lane::Log).size(), 500'000U);
}

TEST_P(WorldContract, AnotherHandleSeesWhatWasSynced) {
  Actor a(*worlds_);
  const FileId writer = a.opened(Dir::Logs, "log.1", OpenMode::Create);
  const FileId reader = a.opened(Dir::Logs, "log.1", OpenMode::Read, Lane::Bulk);
  EXPECT_NE(reader, writer);
  for (uint64_t i = 0; i < 3; ++i) {
    a.act([&](World& world) {
      world.write(writer, 10 * i, pattern(10, i));
      world.sync(writer, i);
    });
    a.wait([&] { return a.count<FileSynced>(writer) == i + 1; }, "FileSynced");
    a.act([&](World& world) { world.read(reader, 10 * i, 100, i); });
    a.wait([&] { return a.count<ReadDone>(reader) == i + 1; }, "ReadDone");
    EXPECT_TRUE(a.all<ReadDone>().back().bytes == pattern(10, i));
  }
}

// Actor fails the test on an event of a file that it has closed.
TEST_P(WorldContract, AClosedFileSaysNothingButIsWritten) {
  Actor a(*worlds_);
  FileId file;
  a.act([&](World& world) {
    file = a.open(world, Dir::Logs, "file", OpenMode::Create);
    world.write(file, 0, pattern(1000, 1));
    world.sync(file, 1);
    world.read(file, 0, 10, 2);
    a.close(world, file);
  });
  const auto written = [&] {
    const std::vector<DirEntry> entries = a.list(Dir::Logs);
    return entries == std::vector<DirEntry>{{"file", 1000}};
  };
  for (int i = 0; i < 100 && !written(); ++i) a.let_pass(1);
  EXPECT_TRUE(written());
  EXPECT_TRUE(a.content(Dir::Logs, "file") == pattern(1000, 1));
  EXPECT_EQ(a.events_of(file), 0U);
}

// Actor fails the test when a handle is handed out twice.
TEST_P(WorldContract, FileHandlesAreNotReused) {
  Actor a(*worlds_);
  for (int i = 0; i < 50; ++i) {
    const FileId file = a.opened(Dir::Logs, "file", OpenMode::Update);
    EXPECT_NE(file.generation, 0U);
    a.act([&](World& world) { a.close(world, file); });
  }
}

TEST_P(WorldContract, PreallocateExtendsWithZeros) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "log.1", OpenMode::Create);
  a.act([&](World& world) {
    world.write(file, 0, as_bytes("head"));
    world.preallocate(file, 4, 300'000);
    world.write(file, 4, as_bytes("!"));
    world.sync(file, 1);
  });
  a.wait([&] { return a.count<FileSynced>(file) == 1; }, "FileSynced");
  ASSERT_EQ(a.count<Preallocated>(file), 1U);
  EXPECT_TRUE(a.all<Preallocated>().front().ok);
  Bytes expected(300'004);
  std::copy_n(as_bytes("head!").begin(), 5, expected.begin());
  EXPECT_TRUE(a.content(Dir::Logs, "log.1") == expected);
}

TEST_P(WorldContract, WhoHurriesGetsTheSameFile) {
  Actor a(*worlds_);
  constexpr uint64_t kSize = 3'000'000;
  const FileId file = a.opened(Dir::Logs, "spare.1", OpenMode::Create);
  a.act([&](World& world) {
    world.preallocate(file, 0, kSize);
    world.hurry(file);
  });
  a.wait([&] { return a.count<Preallocated>(file) == 1; }, "Preallocated");
  EXPECT_TRUE(a.all<Preallocated>().front().ok);
  EXPECT_TRUE(a.content(Dir::Logs, "spare.1") == Bytes(kSize));
}

TEST_P(WorldContract, PreallocateOnAFullDiskChangesNothing) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "log.1", OpenMode::Create, Lane::Log, OnError::Stop);
  a.act([&](World& world) {
    world.write(file, 0, as_bytes("head"));
    world.sync(file, 1);
  });
  a.wait([&] { return a.count<FileSynced>(file) == 1; }, "FileSynced");
  worlds_->fill_disk(a.host());
  a.act([&](World& world) {
    world.preallocate(file, 4, 300'000);
    world.read(file, 0, 100, 2);
    world.write(file, 0, as_bytes("HE"));  // over what is there: needs no room
    world.sync(file, 3);
  });
  a.wait([&] { return a.count<FileSynced>(file) == 2; }, "the second FileSynced");
  ASSERT_EQ(a.count<Preallocated>(file), 1U);
  EXPECT_FALSE(a.all<Preallocated>().front().ok);
  EXPECT_EQ(as_text(a.all<ReadDone>().front().bytes), "head");
  EXPECT_EQ(a.list(Dir::Logs), (std::vector<DirEntry>{{"log.1", 4}}));
  EXPECT_EQ(as_text(a.content(Dir::Logs, "log.1")), "HEad");
  EXPECT_EQ(a.ended(), std::nullopt);
}

TEST_P(WorldContract, AWriteWithoutRoomFailsThatFile) {
  Actor a(*worlds_);
  const FileId snapshot = a.opened(Dir::Snapshots, "snapshot.1", OpenMode::Create, Lane::Bulk);
  const FileId other = a.opened(Dir::Snapshots, "other", OpenMode::Create, Lane::Bulk);
  a.act([&](World& world) { world.write(other, 0, as_bytes("kept")); });
  a.act([&](World& world) { world.sync(other, 1); });
  a.wait([&] { return a.count<FileSynced>(other) == 1; }, "FileSynced");
  worlds_->fill_disk(a.host());
  a.act([&](World& world) {
    world.write(snapshot, 0, pattern(100'000, 1));
    world.sync(snapshot, 2);
    world.read(snapshot, 0, 10, 3);
    world.read(other, 0, 10, 4);
  });
  a.wait([&] { return a.count<FileFailed>(snapshot) == 1 && a.count<ReadDone>(other) == 1; },
         "FileFailed, and the read of the other file");
  EXPECT_EQ(a.all<FileFailed>().front().error, FileError::NoSpace);
  EXPECT_EQ(as_text(a.all<ReadDone>().front().bytes), "kept");
  a.let_pass(5);
  EXPECT_EQ(a.events_of(snapshot), 2U) << "FileOpened and FileFailed";
  EXPECT_EQ(a.ended(), std::nullopt);
}

TEST_P(WorldContract, AWriteWithoutRoomStopsTheProcessWhenTheFileSaysSo) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "log.1", OpenMode::Create, Lane::Log, OnError::Stop);
  worlds_->fill_disk(a.host());
  a.act([&](World& world) {
    world.write(file, 0, pattern(100'000, 1));
    world.sync(file, 1);
  });
  a.wait([&] { return a.ended().has_value(); }, "the end");
  EXPECT_EQ(a.ended(), StopReason::Fatal);
  EXPECT_EQ(a.count<FileSynced>(file) + a.count<FileFailed>(file), 0U);
}

TEST_P(WorldContract, AFailedSyncFailsThatFile) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Snapshots, "snapshot.1", OpenMode::Create, Lane::Bulk);
  worlds_->break_syncs(a.host());
  a.act([&](World& world) {
    world.write(file, 0, as_bytes("content"));
    world.sync(file, 1);
    world.sync(file, 2);
  });
  a.wait([&] { return a.count<FileFailed>(file) == 1; }, "FileFailed");
  EXPECT_EQ(a.all<FileFailed>().front().error, FileError::Io);
  a.let_pass(5);
  EXPECT_EQ(a.events_of(file), 2U) << "FileOpened and FileFailed";
  EXPECT_EQ(a.ended(), std::nullopt);
}

TEST_P(WorldContract, AFailedSyncStopsTheProcessWhenTheFileSaysSo) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "log.1", OpenMode::Create, Lane::Log, OnError::Stop);
  worlds_->break_syncs(a.host());
  a.act([&](World& world) {
    world.write(file, 0, as_bytes("content"));
    world.sync(file, 1);
  });
  a.wait([&] { return a.ended().has_value(); }, "the end");
  EXPECT_EQ(a.ended(), StopReason::Fatal);
  EXPECT_EQ(a.count<FileSynced>(file) + a.count<FileFailed>(file), 0U);
}

TEST_P(WorldContract, DirectoriesListTheirPlainFilesSorted) {
  Actor a(*worlds_);
  a.put(Dir::Logs, "log.2", "22");
  a.put(Dir::Logs, "log.10", "1010");
  a.put(Dir::Logs, "acceptedEpoch", "1");
  a.put(Dir::Root, "initialize", "");
  EXPECT_EQ(a.list(Dir::Logs),
            (std::vector<DirEntry>{{"acceptedEpoch", 1}, {"log.10", 4}, {"log.2", 2}}));
  EXPECT_EQ(a.list(Dir::Root), (std::vector<DirEntry>{{"initialize", 0}}));
}

TEST_P(WorldContract, RenameReplacesAndRemoveRemoves) {
  Actor a(*worlds_);
  a.put(Dir::Logs, "currentEpoch", "1");
  a.put(Dir::Logs, "currentEpoch.tmp", "2");
  a.put(Dir::Logs, "old", "old");
  a.act([](World& world) {
    world.rename(Dir::Logs, "currentEpoch.tmp", "currentEpoch", Lane::Log);
    world.remove(Dir::Logs, "old", Lane::Log);
    world.remove(Dir::Logs, "never there", Lane::Log);
    world.sync_dir(Dir::Logs, 9, Lane::Log);
  });
  a.wait([&] { return a.count<DirSynced>() == 1; }, "DirSynced");
  EXPECT_EQ(a.all<DirSynced>().front().token, 9U);
  EXPECT_EQ(a.all<DirSynced>().front().dir, Dir::Logs);
  EXPECT_EQ(a.list(Dir::Logs), (std::vector<DirEntry>{{"currentEpoch", 1}}));
  EXPECT_EQ(as_text(a.content(Dir::Logs, "currentEpoch")), "2");
}

// As zoo.cfg is replaced, in a directory that holds nothing else of the server's.
TEST_P(WorldContract, AFileBesideZooCfgIsReplacedByRename) {
  Actor a(*worlds_);
  a.put(Dir::Config, "zoo.cfg", "as it was");
  a.put(Dir::Config, "zoo.cfg.tmp", "as it becomes");
  a.act([](World& world) {
    world.rename(Dir::Config, "zoo.cfg.tmp", "zoo.cfg", Lane::Log);
    world.sync_dir(Dir::Config, 3, Lane::Log);
  });
  a.wait([&] { return a.count<DirSynced>() == 1; }, "DirSynced");
  EXPECT_EQ(a.all<DirSynced>().front().dir, Dir::Config);
  EXPECT_EQ(a.list(Dir::Config), (std::vector<DirEntry>{{"zoo.cfg", 13}}));
  EXPECT_EQ(as_text(a.content(Dir::Config, "zoo.cfg")), "as it becomes");
  for (const Dir other : {Dir::Root, Dir::Snapshots, Dir::Logs}) {
    EXPECT_TRUE(a.list(other).empty()) << static_cast<int>(other);
  }
}

TEST_P(WorldContract, NamesOfOneDirectoryChangeInTheOrderIssued) {
  Actor a(*worlds_);
  a.put(Dir::Logs, "a", "a");
  a.act([](World& world) {
    // The lanes alternate: the order is the directory's.
    world.rename(Dir::Logs, "a", "b", Lane::Bulk);
    world.rename(Dir::Logs, "b", "c", Lane::Log);
    world.list(Dir::Logs, 1);
    world.rename(Dir::Logs, "c", "d", Lane::Bulk);
    world.sync_dir(Dir::Logs, 2, Lane::Log);
    world.remove(Dir::Logs, "d", Lane::Log);
    world.list(Dir::Logs, 3);
    world.sync_dir(Dir::Logs, 4, Lane::Bulk);
    world.sync_dir(Dir::Logs, 5, Lane::Log);
  });
  a.wait([&] { return a.count<DirListed>() + a.count<DirSynced>() == 5; }, "five answers");
  std::vector<uint64_t> tokens;
  for (const Seen& one : a.seen()) {
    if (one.token != 0 && one.token < 10) tokens.push_back(one.token);
  }
  EXPECT_EQ(tokens, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  const std::vector<Seen> lists = a.all<DirListed>();
  EXPECT_EQ(lists[0].entries, (std::vector<DirEntry>{{"c", 1}}));
  EXPECT_TRUE(lists[1].entries.empty());
}

TEST_P(WorldContract, CreationTakesPartInTheOrderOfItsDirectory) {
  Actor a(*worlds_);
  a.act([&](World& world) {
    a.open(world, Dir::Logs, "spare", OpenMode::Create);
    world.rename(Dir::Logs, "spare", "log.1", Lane::Log);
    world.list(Dir::Logs, 1);
    world.remove(Dir::Logs, "log.1", Lane::Log);
    a.open(world, Dir::Logs, "log.2", OpenMode::Update);
    world.list(Dir::Logs, 2);
  });
  a.wait([&] { return a.count<DirListed>() == 2; }, "both lists");
  EXPECT_EQ(a.all<DirListed>()[0].entries, (std::vector<DirEntry>{{"log.1", 0}}));
  EXPECT_EQ(a.all<DirListed>()[1].entries, (std::vector<DirEntry>{{"log.2", 0}}));
}

TEST_P(WorldContract, AHandleFollowsItsFileThroughRenameAndRemoval) {
  Actor a(*worlds_);
  const FileId file = a.opened(Dir::Logs, "spare", OpenMode::Create);
  a.act([](World& world) {
    world.rename(Dir::Logs, "spare", "log.1", Lane::Log);
    world.sync_dir(Dir::Logs, 1, Lane::Log);
  });
  a.wait([&] { return a.count<DirSynced>() == 1; }, "DirSynced");
  a.act([&](World& world) {
    world.write(file, 0, as_bytes("record"));
    world.sync(file, 2);
  });
  a.wait([&] { return a.count<FileSynced>(file) == 1; }, "FileSynced");
  EXPECT_EQ(as_text(a.content(Dir::Logs, "log.1")), "record");

  a.act([](World& world) {
    world.remove(Dir::Logs, "log.1", Lane::Log);
    world.sync_dir(Dir::Logs, 3, Lane::Log);
  });
  a.wait([&] { return a.count<DirSynced>() == 2; }, "DirSynced");
  a.act([&](World& world) { world.read(file, 0, 10, 4); });
  a.wait([&] { return a.count<ReadDone>(file) == 1; }, "ReadDone");
  EXPECT_EQ(as_text(a.all<ReadDone>().back().bytes), "record");
  EXPECT_TRUE(a.list(Dir::Logs).empty());
}

TEST_P(WorldContract, RenamingAMissingNameStopsTheProcess) {
  Actor a(*worlds_);
  a.act([](World& world) {
    world.rename(Dir::Logs, "never there", "somewhere", Lane::Log);
    world.sync_dir(Dir::Logs, 1, Lane::Log);
  });
  a.wait([&] { return a.ended().has_value(); }, "the end");
  EXPECT_EQ(a.ended(), StopReason::Fatal);
  EXPECT_EQ(a.count<DirSynced>(), 0U);
}

TEST_P(WorldContract, HostsHaveDisksOfTheirOwn) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  a.put(Dir::Logs, "file", "of a");
  EXPECT_TRUE(b.list(Dir::Logs).empty());
  b.put(Dir::Logs, "file", "of b");
  EXPECT_EQ(as_text(a.content(Dir::Logs, "file")), "of a");
}

TEST_P(WorldContract, ThereIsRoomOnAFreshDisk) {
  Actor a(*worlds_);
  a.act([](World& world) {
    EXPECT_GT(world.free_bytes(Dir::Snapshots), 1U << 20);
    EXPECT_GT(world.free_bytes(Dir::Logs), 1U << 20);
  });
}

}  // namespace
}  // namespace vivarium::contract
