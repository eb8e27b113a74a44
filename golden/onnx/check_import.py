"""Compares `convnet run` with ONNX Runtime on files with random inputs: check_import.py CONVNET FILE.onnx…"""

from compare import check_all, difference

if __name__ == "__main__":
    check_all(lambda convnet, file, folder: difference(convnet, file, [file], folder))
