// The published files of MNIST and Fashion-MNIST: lengths, checksums and addresses.

/** One published file. */
export interface PublishedFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A data set of four IDX files, in the order training images, training labels, test images, test labels. */
export interface PublishedSet {
  readonly title: string;
  /** The folder under `TILEGRAD_DATA` and in the cache. */
  readonly folder: string;
  readonly files: readonly PublishedFile[];
  readonly mirrors: readonly string[];
  readonly classes: readonly string[];
  /** Mean and standard deviation of the training pixels, scaled to 0..1. */
  readonly mean: number;
  readonly std: number;
}

function published(rows: readonly (readonly [bytes: number, sha256: string])[]): PublishedFile[] {
  const names = ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'];
  return rows.map(([bytes, sha256], i) => ({ name: `${names[i]}-ubyte.gz`, bytes, sha256 }));
}

export const mnistSet: PublishedSet = {
  title: 'MNIST',
  folder: 'mnist',
  files: published([
    [9912422, '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609'],
    [28881, '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c'],
    [1648877, '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6'],
    [4542, 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'],
  ]),
  mirrors: [
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
    'https://raw.githubusercontent.com/fgnt/mnist/master/',
  ],
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  mean: 0.1307,
  std: 0.3081,
};

export const fashionMnistSet: PublishedSet = {
  title: 'Fashion-MNIST',
  folder: 'fashion-mnist',
  files: published([
    [26421880, '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84'],
    [29515, 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845'],
    [4422102, '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073'],
    [5148, '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5'],
  ]),
  mirrors: [
    'https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/',
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
  ],
  classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  mean: 0.286,
  std: 0.353,
};
