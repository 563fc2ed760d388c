#include "data_files.hpp"

#include <algorithm>
#include <fstream>
#include <map>

#include "retrace/core/error.hpp"

using retrace::DataError;
namespace fs = std::filesystem;

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_picture(const fs::path& path) {
  const std::string ending = lower(path.extension().string());
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// Returns the entries of a folder sorted by name, without hidden ones.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (!is_hidden(entry.path())) result.push_back(entry.path());
  if (error) throw DataError(folder.string() + ": " + error.message());
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> result = entries(folder);
  std::erase_if(result, [](const fs::path& path) { return !fs::is_directory(path); });
  return result;
}

/// Returns the subfolder with one of these names, ignoring case, or an empty path.
fs::path subfolder(const fs::path& folder, std::initializer_list<const char*> names) {
  const std::vector<fs::path> folders = folders_in(folder);
  for (const std::string name : names)
    for (const fs::path& path : folders)
      if (lower(path.filename().string()) == name) return path;
  return {};
}

fs::path training_folder(const fs::path& folder) {
  return subfolder(folder, {"train", "training"});
}
fs::path test_folder(const fs::path& folder) {
  return subfolder(folder, {"val", "valid", "validation", "test", "testing"});
}
fs::path images_folder(const fs::path& folder) {
  return subfolder(folder, {"images", "image", "img"});
}
fs::path masks_folder(const fs::path& folder) {
  return subfolder(folder, {"masks", "mask", "labels", "annotations"});
}

bool has_masks(const fs::path& folder) {
  return !images_folder(folder).empty() && !masks_folder(folder).empty();
}

/// Counts files that are neither PNG nor JPEG, by extension.
class Ignored {
 public:
  void add(const fs::path& path) { ++counts_[lower(path.extension().string())]; }

  /// Returns "ignored: 3 files .webp, 1 file .txt", for example, or an empty string.
  std::string text() const {
    std::string result;
    for (const auto& [ending, count] : counts_)
      result += (result.empty() ? "" : ", ") + std::to_string(count) +
                (count == 1 ? " file " : " files ") + (ending.empty() ? "without ending" : ending);
    return result;
  }

 private:
  std::map<std::string, std::size_t> counts_;
};

/// Returns the images of a folder and its subfolders, sorted by path.
std::vector<fs::path> pictures_in(const fs::path& folder, Ignored& ignored) {
  std::vector<fs::path> result;
  std::error_code error;
  const auto follow = fs::directory_options::follow_directory_symlink;
  for (auto at = fs::recursive_directory_iterator(folder, follow, error);
       !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    constexpr int deepest = 32;  // a link may point to a parent folder
    if (is_hidden(at->path()) || at.depth() > deepest) at.disable_recursion_pending();
    if (is_hidden(at->path()) || !at->is_regular_file(error)) continue;
    if (is_picture(at->path()))
      result.push_back(at->path());
    else
      ignored.add(at->path());
  }
  if (error) throw DataError(folder.string() + ": " + error.message());
  std::sort(result.begin(), result.end());
  return result;
}

/// @param names  names of the classes; if empty, the names of the folders are added
std::vector<PictureFile> class_files(const fs::path& folder, std::vector<std::string>& names,
                                     Ignored& ignored) {
  const bool all_known = !names.empty();
  std::vector<PictureFile> files;
  for (const fs::path& path : folders_in(folder)) {
    const std::string name = path.filename().string();
    const auto known = std::find(names.begin(), names.end(), name);
    if (all_known && known == names.end())
      throw DataError(path.string() + ": there is no class '" + name + "' to train on");
    const auto label = static_cast<std::int32_t>(known - names.begin());
    if (known == names.end()) names.push_back(name);
    const std::vector<fs::path> pictures = pictures_in(path, ignored);
    if (pictures.empty())
      throw DataError(path.string() + ": is the folder of a class, but has no PNG or JPEG file");
    for (const fs::path& picture : pictures) files.push_back({picture, label, {}});
  }
  return files;
}

std::vector<PictureFile> masked_files(const fs::path& folder, Ignored& ignored) {
  if (!has_masks(folder))
    throw DataError(folder.string() + ": must have the folders images and masks");
  const fs::path images = images_folder(folder), masks = masks_folder(folder);
  std::map<std::string, fs::path> mask_of;
  for (const fs::path& path : pictures_in(masks, ignored))
    mask_of[fs::relative(path, masks).replace_extension().string()] = path;
  std::vector<PictureFile> files;
  for (const fs::path& path : pictures_in(images, ignored)) {
    const auto mask = mask_of.find(fs::relative(path, images).replace_extension().string());
    if (mask == mask_of.end())
      throw DataError(path.string() + ": has no mask of the same name in " + masks.string());
    files.push_back({path, no_class, mask->second});
  }
  if (files.empty()) throw DataError(images.string() + ": has no PNG or JPEG file");
  return files;
}

bool is_csv(const fs::path& path) { return lower(path.extension().string()) == ".csv"; }

/// Returns whether the name is that of an IDX file. For "images", "t10k-images-idx3-ubyte.gz" with
/// rank 3 or 4 is one.
bool is_idx(const fs::path& path, const char* what) {
  const std::string name = lower(path.filename().string());
  return name.find(what) != name.npos && name.find("idx") != name.npos &&
         name.find("ubyte") != name.npos;
}

bool is_test(const fs::path& path) {
  const std::string name = lower(path.filename().string());
  return name.find("t10k") != name.npos || name.find("test") != name.npos;
}

bool has_file(const fs::path& folder, const char* name) {
  return fs::is_regular_file(folder / name);
}

bool is_cifar10_batch(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("data_batch") && name.ends_with(".bin");
}

}  // namespace

DataFormat detect_format(const fs::path& path) {
  if (!fs::exists(path)) throw DataError(path.string() + ": there is no such file or folder");
  if (!fs::is_directory(path)) {
    if (is_csv(path)) return DataFormat::csv;
    throw DataError(path.string() + ": is a file, but must be a folder or a .csv file");
  }
  const std::vector<fs::path> all = entries(path);
  if (std::any_of(all.begin(), all.end(), is_cifar10_batch)) return DataFormat::cifar10;
  if (has_file(path, "train.bin") && has_file(path, "test.bin")) return DataFormat::cifar100;
  for (const fs::path& entry : all)
    if (is_idx(entry, "images")) return DataFormat::idx;
  if (std::any_of(all.begin(), all.end(), is_csv)) return DataFormat::csv;
  const fs::path train = training_folder(path);
  if (has_masks(train.empty() ? path : train)) return DataFormat::masks;
  if (!folders_in(path).empty()) return DataFormat::folder;
  const bool pictures = std::any_of(all.begin(), all.end(), is_picture);
  throw DataError(
      path.string() + ": " +
      (pictures ? "has images, but the images of each class must be in a folder of their own"
                : "has no data: it must have a folder of PNG or JPEG files for each class, folders "
                  "images and masks, data_batch_*.bin of CIFAR-10, train.bin of CIFAR-100, IDX "
                  "files as MNIST has, or .csv files"));
}

CifarFiles find_cifar10(const fs::path& folder) {
  CifarFiles files;
  for (const fs::path& path : entries(folder))
    if (is_cifar10_batch(path)) files.train.push_back(path);
  if (files.train.empty()) files.train.push_back(folder / "data_batch_1.bin");
  if (has_file(folder, "test_batch.bin")) files.test.push_back(folder / "test_batch.bin");
  return files;
}

CifarFiles find_cifar100(const fs::path& folder) {
  CifarFiles files{{folder / "train.bin"}, {}};
  if (has_file(folder, "test.bin")) files.test.push_back(folder / "test.bin");
  return files;
}

std::pair<IdxFiles, IdxFiles> find_idx(const fs::path& folder) {
  IdxFiles train, test;
  for (const fs::path& path : entries(folder))
    for (const bool images : {true, false}) {
      if (!is_idx(path, images ? "images" : "labels")) continue;
      IdxFiles& part = is_test(path) ? test : train;
      fs::path& file = images ? part.images : part.labels;
      const auto plain = [](fs::path each) {
        return each.extension() == ".gz" ? each.replace_extension() : each;
      };
      if (!file.empty() && plain(file) != plain(path))
        throw DataError(path.string() + ": is there beside " + file.string() +
                        ", but there must be one file of them");
      if (file.empty()) file = path;
    }
  const auto require = [&](const IdxFiles& part, const char* what) {
    if (part.images.empty() != part.labels.empty())
      throw DataError(folder.string() + ": has " + (part.images.empty() ? "labels" : "images") +
                      " for " + what + ", but no " + (part.images.empty() ? "images" : "labels"));
  };
  require(train, "training");
  require(test, "testing");
  if (train.images.empty())
    throw DataError(folder.string() +
                    ": has no *train-images-idx3-ubyte and *train-labels-idx1-ubyte (or .gz)");
  return {train, test};
}

std::pair<fs::path, fs::path> find_csv(const fs::path& path) {
  if (!fs::is_directory(path)) return {path, {}};
  if (has_file(path, "train.csv"))
    return {path / "train.csv", has_file(path, "test.csv") ? path / "test.csv" : fs::path()};
  std::vector<fs::path> all = entries(path);
  std::erase_if(all, [](const fs::path& each) { return !is_csv(each); });
  if (all.size() == 1) return {all.front(), {}};
  throw DataError(path.string() + ": must have train.csv, or one .csv file, but has " +
                  std::to_string(all.size()));
}

FoundPictures find_classes(const fs::path& folder) {
  const fs::path train = training_folder(folder), test = test_folder(folder);
  FoundPictures found;
  Ignored ignored;
  found.train = class_files(train.empty() ? folder : train, found.classes, ignored);
  if (found.classes.size() < 2)
    throw DataError((train.empty() ? folder : train).string() + ": has " +
                    std::to_string(found.classes.size()) +
                    " folders, but there must be a folder for each of at least 2 classes");
  if (!train.empty() && !test.empty()) found.test = class_files(test, found.classes, ignored);
  if (const std::string text = ignored.text(); !text.empty())
    found.notes.push_back("ignored, because only PNG and JPEG are read: " + text);
  return found;
}

FoundPictures find_masks(const fs::path& folder) {
  const fs::path train = training_folder(folder), test = test_folder(folder);
  FoundPictures found;
  Ignored ignored;
  found.train = masked_files(train.empty() ? folder : train, ignored);
  if (!train.empty() && !test.empty()) found.test = masked_files(test, ignored);
  if (const std::string text = ignored.text(); !text.empty())
    found.notes.push_back("ignored, because only PNG and JPEG are read: " + text);
  return found;
}

std::vector<std::string> lines_of(const fs::path& folder,
                                  std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::ifstream file(folder / name);
    std::vector<std::string> lines;
    for (std::string line; file && std::getline(file, line);) {
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
      if (!line.empty()) lines.push_back(line);
    }
    if (!lines.empty()) return lines;
  }
  return {};
}
