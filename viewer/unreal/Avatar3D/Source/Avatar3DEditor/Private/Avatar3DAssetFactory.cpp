#include "Avatar3DAssetFactory.h"

#include "Misc/FeedbackContext.h"

#include "Avatar3DAsset.h"

UAvatar3DAssetFactory::UAvatar3DAssetFactory()
{
	SupportedClass = UAvatar3DAsset::StaticClass();
	Formats.Add(TEXT("a3d;Gaussian head of avatar3d"));
	bCreateNew = false;
	bEditorImport = true;
	bText = false;
}

UObject* UAvatar3DAssetFactory::FactoryCreateBinary(UClass* InClass, UObject* InParent, FName InName, EObjectFlags Flags, UObject* Context,
	const TCHAR* Type, const uint8*& Buffer, const uint8* BufferEnd, FFeedbackContext* Warn)
{
	const int64 Size = BufferEnd - Buffer;
	FString Error = TEXT("is too large");
	if (Size <= MAX_int32)
	{
		UAvatar3DAsset* Asset = NewObject<UAvatar3DAsset>(InParent, InClass, InName, Flags);
		if (Asset->SetBytes(TArray<uint8>(Buffer, static_cast<int32>(Size)), Error))
		{
			return Asset;
		}
		Asset->ClearFlags(RF_Public | RF_Standalone);
		Asset->MarkAsGarbage();
	}
	Warn->Logf(ELogVerbosity::Error, TEXT("%s: %s"), *InName.ToString(), *Error);
	return nullptr;
}
